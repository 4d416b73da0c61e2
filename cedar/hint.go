package cedar

import "countersign.dev/cedar/diagnostic"

// didYouMean suggests the nearest of the known words, if one is near, behind a message.
func didYouMean(word string, known []string) string {
	if advice := diagnostic.DidYouMean(word, known); advice != "" {
		return ": " + advice
	}
	return ""
}

func keys[K ~string, V any](m map[K]V) []string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, string(k))
	}
	return names
}
