package statuslist

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

// Limits of what is read.
const (
	// MaxToken is the largest list token in bytes. Statuses that do not repeat at all hardly shrink.
	MaxToken = 24 << 20
	// MaxList is the largest list in bytes, decompressed: 134,217,728 statuses of one bit.
	MaxList = 16 << 20
)

// list is the list itself: statuses of the same number of bits, the first in the lowest bits of the first byte (section
// 4.1).
type list struct {
	bits  int
	bytes []byte
}

// decodeList reads the members bits and lst (section 4.2).
func decodeList(bits int, lst string) (list, error) {
	if bits != 1 && bits != 2 && bits != 4 && bits != 8 {
		return list{}, fmt.Errorf("bits is %d: must be 1, 2, 4 or 8", bits)
	}
	compressed, err := base64.RawURLEncoding.Strict().DecodeString(lst)
	if err != nil {
		return list{}, fmt.Errorf("lst is not base64url: %w", err)
	}
	packed := bytes.NewReader(compressed)
	r, err := zlib.NewReader(packed)
	if err != nil {
		return list{}, fmt.Errorf("lst is not compressed as it should be: %w", err)
	}
	// Closing has nothing to release; what is wrong with the data shows when it is read to the end.
	data, err := io.ReadAll(io.LimitReader(r, MaxList+1))
	switch {
	case err != nil:
		return list{}, fmt.Errorf("decompressing lst: %w", err)
	case len(data) > MaxList:
		return list{}, fmt.Errorf("lst has more than %d bytes", MaxList)
	case packed.Len() > 0:
		return list{}, errors.New("lst goes on behind its end")
	}
	return list{bits, data}, nil
}

// at returns the status at an index.
func (l list) at(index int) (byte, error) {
	perByte := 8 / l.bits
	if index < 0 || index/perByte >= len(l.bytes) {
		return 0, fmt.Errorf("no status %d in a list of %d", index, len(l.bytes)*perByte)
	}
	shift := index % perByte * l.bits
	return l.bytes[index/perByte] >> shift & (1<<l.bits - 1), nil
}

// describe is what a status means (section 7.1).
func describe(status byte) string {
	switch status {
	case 0x01:
		return "INVALID"
	case 0x02:
		return "SUSPENDED"
	default:
		return fmt.Sprintf("status 0x%02x", status)
	}
}
