package syntax

// Kind says what a token is.
type Kind uint8

// The kinds of tokens.
const (
	// EOF is the end of the source; its text is empty.
	EOF Kind = iota
	// Identifier is a name. The words permit, forbid, when, unless, principal, action, resource and context are names too:
	// they mean something only in their places.
	Identifier
	// Keyword is a reserved word: true, false, if, then, else, in, is, like, has, __cedar.
	Keyword
	// Number is a row of decimal digits.
	Number
	// String is a text in double quotes.
	String
	// SlotName is ?principal or ?resource, or any other name behind a question mark.
	SlotName
	// Punctuation is an operator, a bracket or a separator.
	Punctuation
	// Invalid is text that is no token of Cedar; a diagnostic says why.
	Invalid
)

// The rules of the diagnostics of [Parse].
const (
	// RuleSyntax is text that is not Cedar.
	RuleSyntax = "syntax"
	// RuleBlockComment is a comment between /* and */, which only cedar-go accepts.
	RuleBlockComment = "block-comment"
	// RuleUnaryRun is a run of more than four ! or -, or a mixed one, which only cedar-go accepts.
	RuleUnaryRun = "unary-run"
	// RuleSpace is white space outside ASCII such as U+00A0, which only the Rust implementation accepts.
	RuleSpace = "nbsp"
	// RuleActionType is an action in a scope whose type is not Action, which only cedar-go accepts.
	RuleActionType = "action-not-action-type"
)
