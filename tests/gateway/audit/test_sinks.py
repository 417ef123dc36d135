"""Lines stay whole, private and in order, in a file that others append to, move or fill."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.audit.json_lines_file import JsonLinesFile, check_file, open_file
from gateway.audit.sink import AuditSettings, SinkUnavailable, open_sink
from gateway.audit.standard_output import StandardOutput
from gateway.audit.whole_lines import LOOK_AGAIN_S
from tests.gateway.issuing import Clock

APPENDING = """
import sys
from pathlib import Path
from gateway.audit.json_lines_file import JsonLinesFile
sink = JsonLinesFile(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    sink.write(b'{"%s":"%s"}\\n' % (sys.argv[2].encode(), sys.argv[2].encode() * (number % 300) * 100))
sink.close()
"""

FILLING = """
import resource, sys
from pathlib import Path
from gateway.audit.json_lines_file import JsonLinesFile
sink = JsonLinesFile(Path(sys.argv[1]))
for limit in (25, 25, resource.RLIM_INFINITY, resource.RLIM_INFINITY):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        sink.write(b'{"a":"0123456789"}\\n')
    except OSError as problem:
        print(problem.strerror)
sink.close()
"""


def run(code: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_new_file_is_private_and_an_old_one_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for line in (b"1\n", b"2\n"):
        sink = JsonLinesFile(path)
        sink.write(line)
        sink.close()
    assert path.read_bytes() == b"1\n2\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_is_there_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = JsonLinesFile(path)
    sink.write(b"1\n")
    assert path.read_bytes() == b"1\n"
    sink.close()


def test_lines_of_several_processes_stay_whole(tmp_path: Path) -> None:
    path, names, lines = tmp_path / "audit.jsonl", "abcd", 600
    writers = [run(APPENDING, path, name, lines) for name in names]
    assert [writer.wait() for writer in writers] == [0] * len(names)
    for writer in writers:
        writer.communicate()
    read = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert len(read) == len(names) * lines
    for name in names:
        own = [row[name] for row in read if name in row]
        assert [len(text) for text in own] == [number % 300 * 100 for number in range(lines)]
        assert set("".join(own)) == {name}


def test_a_line_after_a_torn_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    told, _ = run(FILLING, path).communicate()
    assert told == "File too large\n"
    whole = '{"a":"0123456789"}'
    assert path.read_text().splitlines() == [whole, whole[:6], whole, whole]


def test_a_file_that_was_moved_is_begun_anew_within_a_second(tmp_path: Path) -> None:
    path, moved, clock = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1", Clock(0.0)
    sink = JsonLinesFile(path, clock)
    sink.write(b"1\n")
    path.rename(moved)
    sink.write(b"2\n")
    clock.now += LOOK_AGAIN_S
    sink.write(b"3\n")
    sink.write(b"4\n")
    sink.close()
    assert (moved.read_bytes(), path.read_bytes()) == (b"1\n2\n", b"3\n4\n")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_replaced_or_removed_is_left(tmp_path: Path) -> None:
    path, clock = tmp_path / "audit.jsonl", Clock(0.0)
    sink = JsonLinesFile(path, clock)
    other = tmp_path / "other"
    other.write_bytes(b"0\n")
    other.replace(path)
    clock.now += LOOK_AGAIN_S
    sink.write(b"1\n")
    assert path.read_bytes() == b"0\n1\n"
    path.unlink()
    clock.now += LOOK_AGAIN_S
    sink.write(b"2\n")
    sink.close()
    assert path.read_bytes() == b"2\n"


def test_a_file_that_was_truncated_in_place_goes_on_at_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = JsonLinesFile(path)
    sink.write(b"1\n")
    os.truncate(path, 0)
    sink.write(b"2\n")
    sink.close()
    assert path.read_bytes() == b"2\n"


def test_a_place_that_is_gone_leaves_the_lines_in_the_file_that_is_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, clock = tmp_path / "log", Clock(0.0)
    folder.mkdir()
    sink = JsonLinesFile(folder / "audit.jsonl", clock)
    folder.rename(tmp_path / "old")
    for line in (b"1\n", b"2\n"):
        clock.now += LOOK_AGAIN_S
        sink.write(line)
    sink.close()
    assert (tmp_path / "old" / "audit.jsonl").read_bytes() == b"1\n2\n"
    assert "cannot be begun anew: No such file or directory" in caplog.text


def test_a_line_after_the_end_is_an_error_and_goes_nowhere_else(tmp_path: Path) -> None:
    sink = JsonLinesFile(tmp_path / "audit.jsonl")
    sink.close()
    with (tmp_path / "other").open("wb"), pytest.raises(OSError, match="Bad file descriptor"):
        sink.write(b"1\n")
    assert (tmp_path / "other").read_bytes() == b""


@pytest.mark.parametrize("kind", ["no folder", "a folder", "a pipe", "a device"])
def test_what_cannot_take_lines_stops_the_start(tmp_path: Path, kind: str) -> None:
    path = {"no folder": tmp_path / "none" / "a", "a device": Path("/dev/full")}.get(kind, tmp_path / "a")
    if kind == "a folder":
        path.mkdir()
    if kind == "a pipe":
        os.mkfifo(path)
    for attempt in (check_file, open_file):
        with pytest.raises(SinkUnavailable, match=f"cannot be written to {path}: .+"):
            attempt(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_where_one_may_not_write_stops_the_start(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    for attempt in (check_file, open_file):
        with pytest.raises(SinkUnavailable):
            attempt(tmp_path / "audit.jsonl")


def test_the_check_makes_no_file(tmp_path: Path) -> None:
    check_file(tmp_path / "audit.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_a_file_needs_a_path() -> None:
    with pytest.raises(SinkUnavailable, match=r"audit\.path"):
        open_sink(AuditSettings(sink="file"))


def test_standard_output_is_the_default_and_takes_lines_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    sink = open_sink(AuditSettings())
    assert isinstance(sink, StandardOutput)
    sink.write(b"1\n")
    sink.write(b"2\n")
    assert capfd.readouterr().out == "1\n2\n"


def test_a_process_without_standard_output_does_not_start() -> None:
    code = "import os; from gateway.audit.sink import *; os.close(1); open_sink(AuditSettings())"
    ran = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False)
    assert "SinkUnavailable: The disclosure record cannot be written to standard output" in ran.stderr
