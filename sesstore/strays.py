"""Names of files that operating systems, editors and copy tools leave in any folder.

macOS, Windows, NFS, network drives and sync clients put files of their own beside everybody's data,
and a file manager's "duplicate" makes ``values copy`` of ``values``. They are no data: listing a
folder passes them over, and nothing is ever judged, moved or deleted because of them.
"""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import PurePath

_NAMES = frozenset(
    {
        "__macosx",
        "icon\r",
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "@eadir",
        "#recycle",
        "#snapshot",
    }
)

_PATTERNS = re.compile(
    r"""
    \..*                            # .DS_Store, ._name, .nfs0123, .fuse_hidden, .name.swp
    | .*~                           # editors' backups
    | \#.*\#                        # Emacs, while it edits
    | ~\$.*                         # Office's lock files
    | .*\.(swp|swo|swx)             # vim
    | .*\.(part|partial|crdownload|filepart)   # downloads and copies under way
    | .*:Zone\.Identifier           # Windows' mark of a download
    | .*\ \(?.*conflicted\ copy.*   # Dropbox, Nextcloud
    | .*\.sync-conflict-\d{8}-.*    # Syncthing
    """,
    re.VERBOSE | re.IGNORECASE,
)

_COPY = re.compile(
    r"""
    (?P<stem>.+?)
    (?: \ copy(?:\ \d+)? | \ -\ copy(?:\ \(\d+\))? | \ \d+
      | \ \( (?: \d+ | (?:another\ |\d+(?:st|nd|rd|th)\ )?copy ) \) )
    (?P<suffix>(?:\.[a-z0-9]+){0,2})
    """,
    re.VERBOSE | re.IGNORECASE,
)
_COPY_OF = "copy of "


def is_stray(name: str) -> bool:
    """Whether an operating system, an editor or a copy tool leaves files (or folders) of this name.

    Parameters
    ----------
    name : str
        Name of a file or folder, without its path. Every name that starts with a dot counts.
    """
    return name.lower() in _NAMES or _PATTERNS.fullmatch(name) is not None


def is_duplicate(name: str, siblings: Container[str]) -> bool:
    """Whether a name is a file manager's copy of a file that stands beside it.

    Parameters
    ----------
    name : str
        Such as ``"full (1).pdb"``, ``"values copy"``, ``"full - Copy.pdb"`` or ``"full 2.pdb"``.
    siblings : container of str
        All names in the folder. Without its original among them a name is nobody's copy.
    """
    copy = _COPY.fullmatch(name)
    if copy is not None and copy["stem"] + copy["suffix"] in siblings:
        return True
    return name.lower().startswith(_COPY_OF) and name[len(_COPY_OF) :] in siblings


def is_stray_path(path: PurePath) -> bool:
    """Whether a relative path, or a folder on it, is a stray (``__MACOSX/a.pdb``)."""
    return any(is_stray(part) for part in path.parts)
