package diagnostic

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// tabWidth is how many columns of the terminal a tab stands for. It is written as spaces, so that marks stay aligned.
const tabWidth = 4

// cell is a character as it is shown.
type cell struct {
	text  string
	width int // columns of the terminal
}

// next returns the first character of text, which is not empty, and how many bytes it has.
func next(text []byte) (cell, int) {
	r, size := utf8.DecodeRune(text)
	return show(r, text[:size]), size
}

// last returns the last character of text, which is not empty, and how many bytes it has.
func last(text []byte) (cell, int) {
	r, size := utf8.DecodeLastRune(text)
	return show(r, text[len(text)-size:]), size
}

func show(r rune, raw []byte) cell {
	switch {
	case r >= ' ' && r < utf8.RuneSelf-1:
		return cell{string(r), 1}
	case r == '\t':
		return cell{strings.Repeat(" ", tabWidth), tabWidth}
	case r == utf8.RuneError && len(raw) == 1:
		text := fmt.Sprintf("<0x%02X>", raw[0])
		return cell{text, len(text)}
	case !unicode.IsPrint(r):
		text := fmt.Sprintf("<U+%04X>", r)
		return cell{text, len(text)}
	case unicode.In(r, unicode.Mn, unicode.Me):
		return cell{string(r), 0}
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return cell{string(r), 2}
	default:
		return cell{string(r), 1}
	}
}
