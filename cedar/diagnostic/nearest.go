package diagnostic

import (
	"fmt"
	"slices"
)

// DidYouMean asks whether a word was meant to be the [Nearest] of the known ones. It is empty when none is near.
func DidYouMean(word string, known []string) string {
	if nearest := Nearest(word, known); nearest != "" {
		return fmt.Sprintf("did you mean %q?", nearest)
	}
	return ""
}

// Nearest returns the known word that word was most likely meant to be: the first of those that are [Near]. It is empty
// when none is.
func Nearest(word string, known []string) string {
	if near := Near(word, known); len(near) > 0 {
		return near[0]
	}
	return ""
}

// Near returns the known words that word may have been meant to be: those that differ in at most a third of its bytes and
// one more. The nearest come first, and those that are as near as each other are in order.
func Near(word string, known []string) []string {
	limit := len(word)/3 + 2
	byDistance := make([][]string, limit)
	for _, k := range known {
		if d := distance(word, k, limit); d < limit {
			byDistance[d] = append(byDistance[d], k)
		}
	}
	for _, words := range byDistance {
		slices.Sort(words)
	}
	return slices.Concat(byDistance...)
}

// distance is the number of bytes to insert, delete or replace to turn a into b; at least limit when it is not smaller.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
