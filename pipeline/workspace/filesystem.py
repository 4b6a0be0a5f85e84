"""The file system of a folder, as Linux reports it: locks and SQLite depend on it."""

from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "smb3"}
)
"""File systems that several hosts may have mounted; FUSE ones are counted in by name."""

LOCAL_LOCKS = frozenset({"nolock", "localflock", "noflock", "nobrl"})
"""Mount options of NFS, Lustre and CIFS with which a lock is not seen by other hosts; NFS has local_lock=... too."""

WITHOUT_LOCKS = frozenset(
    {"fuse.gcsfuse", "fuse.goofys", "fuse.mountpoint-s3", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"}
)
"""File systems that have no locks between hosts at all."""


@dataclass(frozen=True)
class Mount:
    """Where a folder lies.

    Attributes:
        kind: ext4, nfs4, fuse.sshfs ...; "unknown" where the system does not tell.
        options: Options it is mounted with.
    """

    kind: str = "unknown"
    options: frozenset[str] = frozenset()

    @property
    def is_network(self) -> bool:
        """Whether other hosts may see the same files."""
        return self.kind in NETWORK or self.kind in WITHOUT_LOCKS or self.kind.startswith("fuse.ceph")

    @property
    def locks_reach_other_hosts(self) -> bool:
        """Whether a lock taken here holds on the other hosts."""
        local = self.options & LOCAL_LOCKS or self.options & {"local_lock=all", "local_lock=flock", "local_lock=posix"}
        return not local and self.kind not in WITHOUT_LOCKS


def mount_of(path: Path, table: str | None = None) -> Mount:
    """Find the mount that holds `path`, which need not exist.

    Args:
        path: Any path.
        table: Text as in /proc/self/mountinfo (see proc(5)); None: this process's own.
    """
    if table is None:
        try:
            table = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return Mount()
    where, mount, longest = path.resolve(), Mount(), -1
    for line in table.splitlines():
        before, _, behind = line.partition(" - ")
        fields, (kind, _, own) = before.split(" "), behind.split(" ", 2)
        point = Path(_unescape(fields[4]))
        if where.is_relative_to(point) and len(point.parts) >= longest:  # of two on one point the later one counts
            longest, mount = len(point.parts), Mount(kind, frozenset(f"{fields[5]},{own}".split(",")))
    return mount


def _unescape(text: str) -> str:
    for sign in " \t\n\\":
        text = text.replace(f"\\{ord(sign):03o}", sign)
    return text
