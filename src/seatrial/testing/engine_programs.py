"""The programs that ``EngineSuite`` runs: sh and perl alone, which every Debian image and macOS have.

Each finds its files below ``SAGEMAKER_BASE_DIR`` and its port in ``SAGEMAKER_BIND_TO_PORT`` where they are set, so that
the suite also runs over an engine that can show nothing at ``/opt/ml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_SH = "#!/bin/sh\nml=${SAGEMAKER_BASE_DIR:-/opt/ml}\n"
_PERL = "#!/usr/bin/perl\nuse strict; use warnings; $| = 1;\nmy $ml = $ENV{SAGEMAKER_BASE_DIR} // '/opt/ml';\n"

PROGRAMS: Mapping[str, str] = MappingProxyType(
    {
        "show": _SH + 'for word in "$@"; do echo "argument=$word"; done\nenv | sort\necho "here=$(ls show)"\n',
        "exit-with": _SH + 'exit "$1"\n',
        "count": _SH + 'seq "$1"\n',
        "both-streams": _SH + "echo to stdout\necho to stderr >&2\n",
        "long-line": _PERL + 'print "x" x $ARGV[0], "\\n";\n',
        "odd-output": _SH + "printf 'pi\\361ata\\r\\n\\nno end'\n",
        "stop-politely": _SH + "trap 'echo stopping; exit 7' TERM\necho ready\nwhile :; do sleep 0.02; done\n",
        "count-then-stop": _SH + "trap 'seq 6 10; exit 7' TERM\nseq 5\nwhile :; do sleep 0.02; done\n",
        "ignore-stop": _SH + "trap '' TERM\necho ready\nwhile :; do sleep 0.02; done\n",
        "sleep-long": _SH + "echo ready\nexec sleep 600\n",
        "copy": _SH + 'cat "$ml/input/in.txt" > "$ml/model/out.txt" && echo copied || { echo refused; exit 1; }\n',
        "list": _SH + 'ls "$ml"\n',
        "leave-behind": _PERL
        + """
my $pid = fork();
if ($pid) { waitpid($pid, 0); while (!-s "$ml/lock") { select(undef, undef, undef, 0.01) } exit 0 }
use POSIX 'setsid'; setsid(); exit 0 if fork();
$SIG{TERM} = $SIG{HUP} = 'IGNORE';
use Fcntl ':flock'; open(my $lock, '>', "$ml/lock") or die; flock($lock, LOCK_EX) or die;
syswrite($lock, "held"); sleep 600;
""",
        "grow": _PERL + 'my $filled = "x" x ($ARGV[0] * 1048576); print length($filled), "\\n";\n',
        "connect": _PERL
        + """
use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0) or die; $SIG{ALRM} = sub { print "timed out\\n"; exit };
alarm 5;
print connect($s, sockaddr_in($ARGV[1], inet_aton($ARGV[0]))) ? "connected\\n" : "failed: $!\\n";
""",
        "ask": _PERL
        + """
use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0) or die; alarm 20;
connect($s, sockaddr_in($ARGV[1], inet_aton($ARGV[0]))) or die "connect: $!";
{ my $old = select($s); $| = 1; select($old); } print $s "x" x $ARGV[2]; shutdown($s, 1);
my $text = ''; while (sysread($s, my $more, 65536)) { $text .= $more }
print "answer of ", length($text), "\n";
""",
        "own-address": _SH + 'uname -n\ngetent hosts "$(uname -n)" | awk \'{ print $1 }\'\nexec "${@:-sleep-long}"\n',
        "shared-memory-bytes": _SH + "df -k /dev/shm | awk 'END { print $2 * 1024 }'\n",
        "answer": _PERL
        + """
use Socket; my $port = $ENV{SAGEMAKER_BIND_TO_PORT} // 8080;
socket(my $listener, PF_INET, SOCK_STREAM, 0) or die; setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1) or die;
bind($listener, sockaddr_in($port, INADDR_ANY)) or die "bind: $!"; listen($listener, 16) or die; print "ready\\n";
while (accept(my $client, $listener)) {
    my $text = ''; while (sysread($client, my $more, 65536)) { $text .= $more }
    print $client "$ENV{WHO} got " . length($text); close $client;
}
""",
        "not-executable": _SH,
    }
)
"""File name to text; a name's meaning is in the test that runs it."""


def write_programs(directory: Path) -> None:
    """Fill a program directory; every program has its run bit but ``not-executable``."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in PROGRAMS.items():
        path = directory / name
        path.write_text(text)
        path.chmod(0o644 if name == "not-executable" else 0o755)
    (directory / "seatrial.toml").write_text("honours_base_dir = true\n")
