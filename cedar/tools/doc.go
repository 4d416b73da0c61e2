// Package tools keeps the pinned tools of MCP servers true: it pulls tools/list from a live server, and says what changed
// between two lists, in words that a person can judge.
//
// What a server says about its tools is read by models, and whoever can change it can talk to them. A change of a name,
// title, description, schema or hint is therefore reported as what it is, with both texts. Whether a text tries to
// instruct a model is not judged. Characters that a person cannot see or that change how text is shown are written as
// ‹U+200B›, and reported as findings: nothing else hides in a text.
package tools
