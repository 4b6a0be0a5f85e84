"""Official evaluation protocols, one a file, each as exact as the program or paper it follows."""
