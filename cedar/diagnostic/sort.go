package diagnostic

import (
	"cmp"
	"slices"
)

// Compare orders findings by file and place.
func Compare(a, b Diagnostic) int {
	return cmp.Or(cmp.Compare(a.File, b.File),
		cmp.Compare(a.Start.Line, b.Start.Line), cmp.Compare(a.Start.Column, b.Start.Column),
		cmp.Compare(a.End.Line, b.End.Line), cmp.Compare(a.End.Column, b.End.Column),
		cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
}

// Sort puts findings in order of [Compare] and drops those that are there twice.
func Sort(ds []Diagnostic) []Diagnostic {
	slices.SortStableFunc(ds, Compare)
	return slices.Compact(ds)
}
