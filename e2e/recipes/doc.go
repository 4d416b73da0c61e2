// Package recipes has no code of its own: its tests make sure that the recipes for backends in other languages, which are
// below it, judge tokens like package [countersign.dev/authz/verify].
package recipes
