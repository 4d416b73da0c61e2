// Package syntax reads Cedar policies without losing anything: every token has its place and the comments around it, and
// the tree of every policy points back into the text. Formatting, linting and precise messages need that; what a policy
// means is decided by cedar-go alone.
//
// The language is what both implementations accept, cedar-go 1.9 and Cedar's own in Rust 4.12 (grammar:
// https://docs.cedarpolicy.com/policies/syntax-grammar.html). Text that one of them refuses is reported under a rule of its
// own: block comments, runs of unary operators, white space outside ASCII, actions whose type is not Action, and all
// else that is wrong as [RuleSyntax].
package syntax
