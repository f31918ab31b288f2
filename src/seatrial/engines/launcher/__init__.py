"""The process that stands between the process engine and a program: it makes the container, follows it, cleans up.

It runs as ``python -I -S -c …`` in a process of its own, so that a container outlives no crash of ours and so that no
namespace is ever entered by the caller. Everything here is standard library, and little of it: what is imported here
is paid at every start (no ``dataclasses``, no ``typing``, no ``subprocess``).

Who is who, from outside to inside::

    caller (ProcessEngine)      holds one end of the control socket; its death closes it
    └── launcher (main)         host namespaces but the container's network; reaps, stops, cleans up
        ├── outbound            slirp4netns: the container's way out (Network.PRIVATE)
        ├── host relay          carries connections from the container's loopback to chosen ports of the host
        ├── relay               carries connections from published host ports into the container's network
        └── program             process 1 of the container

Each of the lower ones dies with the launcher (PR_SET_PDEATHSIG), and the launcher ends all of them when the control
socket closes. The launcher's exit code is the program's.
"""
