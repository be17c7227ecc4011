# SPDX-License-Identifier: MIT
"""Reads a Perfetto trace, as far as the tests need it: the wire format, and the meaning of field numbers.

Numbers and meanings were taken from Perfetto's own definitions, independently of the exporter's perfetto.proto."""
import collections
import struct

TYPES = {1: "B", 2: "E", 3: "i", 4: "C"}


def fields(data):
    """(number, value) of a message: an integer, or bytes."""
    at = 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                assert value < 1 << 64
                return value

    while at < len(data):
        key = varint()
        number, wire = key >> 3, key & 7
        if wire == 0:
            yield number, varint()
        elif wire == 1:
            yield number, struct.unpack_from("<Q", data, at)[0]
            at += 8
        elif wire == 2:
            length = varint()
            assert at + length <= len(data)
            yield number, data[at:at + length]
            at += length
        else:
            raise AssertionError(f"wire type {wire}")


def message(data, repeated=()):
    """{number: value}, for `repeated` fields {number: [value...]}."""
    found = {number: [] for number in repeated}
    for number, value in fields(data):
        if number in repeated:
            found[number].append(value)
        else:
            assert number not in found, number
            found[number] = value
    return found


Mark = collections.namedtuple("Mark", "type process track name category time args flows ends value")


class Trace:
    """marks: all track events.  tracks: {uuid: (process, name, unit)}."""

    def __init__(self, data):
        self.marks, self.tracks, self.processes, self.clocks = [], {}, {}, {}
        names = {1: {}, 2: {}, 3: {}, 29: {}}  # categories, events, annotations, texts
        for number, packet in fields(data):
            assert number == 1
            packet = message(packet)
            assert packet[10] == 1
            if 12 in packet:
                assert self.marks or self.tracks or packet[13] & 1
                for table, item in fields(packet[12]):
                    item = message(item)
                    assert item[1] not in names[table]
                    names[table][item[1]] = item[2].decode()
            if 6 in packet:
                for _, clock in fields(packet[6]):
                    clock = message(clock)
                    self.clocks[clock[1]] = clock[2]
            if 60 in packet:
                self._track(message(packet[60]))
            if 11 in packet:
                assert packet[13] & 2
                self._mark(packet[8], message(packet[11], (3, 4, 47, 48)), names)

    def _track(self, track):
        if 3 in track:
            process = message(track[3])
            self.processes[track[1]] = process[6].decode()
            self.tracks[track[1]] = (process[6].decode(), None, None)
            return
        assert track[15] == 2  # not merged with another of the same name
        self.tracks[track[1]] = (self.processes[track[5]], track[2].decode(), message(track[8]).get(3) if 8 in track else None)

    def _annotation(self, data, names):
        note = message(data, (11,))
        name = note[10].decode() if 10 in note else names[3][note[1]]
        if note[11]:
            return name, dict(self._annotation(entry, names) for entry in note[11])
        if 2 in note:
            return name, bool(note[2])
        if 17 in note:
            return name, names[29][note[17]]
        return name, note[3] if 3 in note else note[6].decode() if 6 in note else {}

    def _mark(self, time, event, names):
        process, track, _ = self.tracks.get(event[11], (None, None, None))
        assert process or event[11] == 0
        name = event[23].decode() if 23 in event else names[2][event[10]] if 10 in event else track
        self.marks.append(Mark(TYPES[event[9]], process, track, name, [names[1][c] for c in event[3]], time,
                               dict(self._annotation(note, names) for note in event[4]), event[47], event[48], event.get(30)))
