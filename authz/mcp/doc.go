// Package mcp reads one HTTP request of the Model Context Protocol's Streamable HTTP transport, for the protocol
// versions 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25 and 2026-07-28, and says what it asks for.
//
// The reader is strict on purpose. An authorizer and the backend behind it parse the same bytes with different
// parsers, and whatever they read differently is a way around the decision. So everything that parsers are known to
// disagree about is refused instead of interpreted: duplicate member names, names that differ only in case, numbers
// that do not survive a conversion, lone surrogates, bytes after the value, headers that contradict the body.
//
// Every refusal is a *[denial.Error] with its own reason.
package mcp
