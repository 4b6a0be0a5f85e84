"""Official evaluation protocols, one in each file, each as exact as the program or paper that it follows.

Every file here but `protocol` and `registry` is a protocol of the file's name, and describes itself in a `DEFINITION`;
there is no list to edit.
"""
