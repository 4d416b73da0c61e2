package lint

import (
	"strings"
	"unicode/utf8"
)

// lookalikes are letters that most fonts draw like a Latin one: of Cyrillic, Greek and Armenian, and of Latin itself
// beyond ASCII (from UTS 39, confusables.txt, as far as letters of living scripts become single ASCII letters).
var lookalikes = pairs(
	"аaеeоoрpсcуyхxіiјjѕsһhԁdԛqԝwӏlѵv", // Cyrillic
	"АAВBЕEЅSІIЈJКKМMНHОOРPСCТTУYХXԌGԚQԜWѴV",
	"αaοoνvρpιiυu", // Greek
	"ΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧX",
	"օoոnսuհhցgյjՕOՍUՏS", // Armenian
	"ɑaɡgɩiıiʟlʋv",       // Latin
)

func pairs(lines ...string) map[rune]rune {
	all := make(map[rune]rune)
	letters := []rune(strings.Join(lines, ""))
	for i := 0; i+1 < len(letters); i += 2 {
		all[letters[i]] = letters[i+1]
	}
	return all
}

// skeleton is how a text looks: equal for texts that are taken for each other.
func skeleton(text string) string {
	if ascii(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		switch like, ok := lookalikes[r]; {
		case r < utf8.RuneSelf:
			return r
		case invisible(r):
			return -1
		case ok:
			return like
		}
		return r
	}, text)
}
