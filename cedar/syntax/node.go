package syntax

// Position is a place in a source text.
type Position struct {
	Offset int // bytes, from 0
	Line   int // from 1
	Column int // characters, from 1
}

// Span is a stretch of source text: from Start up to, and without, End.
type Span struct{ Start, End Position }

// Token is a word of the language with what stands around it, so that the tokens of a file together are the file.
type Token struct {
	Kind Kind
	Text string // as written
	Span Span
	// Leading are the comments before the token, each with whether an empty line is before it.
	Leading []Comment
	// Trailing is the comment behind the token on the same line; empty for none.
	Trailing string
	// BlankLine says that an empty line is before the token (behind its leading comments).
	BlankLine bool
}

// Comment is a "//" comment, as written and without the end of the line.
type Comment struct {
	Text      string
	Span      Span
	BlankLine bool // an empty line is before it
}

// File is everything in one source text.
type File struct {
	Name     string
	Source   []byte
	Policies []*Policy
	// Tokens are all tokens in order; the last one is of kind EOF and has the comments at the end.
	Tokens []Token
}

// Policy is one statement.
type Policy struct {
	Span        Span // from the first annotation to the semicolon
	Annotations []*Annotation
	Effect      Token // permit or forbid
	// Scope has the three constraints in order: principal, action, resource.
	Scope      [3]*Constraint
	Conditions []*Condition
}

// Annotation returns the value of an annotation, unescaped, and whether the policy has it.
func (p *Policy) Annotation(name string) (value string, ok bool) {
	for _, a := range p.Annotations {
		if a.Name.Text == name {
			return a.Unquoted, true
		}
	}
	return "", false
}

// Annotation is @name("value"), or @name alone.
type Annotation struct {
	Span     Span
	Name     Token
	Value    *Token // the string as written; nil without one
	Unquoted string // its value
}

// Constraint is one part of a scope, such as `action in [Action::"read"]`.
type Constraint struct {
	Span     Span
	Variable Token        // principal, action or resource
	Operator string       // "", "==", "in", "is" or "is in"
	Type     *Name        // behind is; else nil
	Entities []*EntityRef // one for == and in; any number for a list
	List     bool         // `in [ … ]`
}

// Condition is a when or unless clause.
type Condition struct {
	Span Span
	Kind Token // when or unless
	Body Expr
}

// Name is a path such as A::B::C.
type Name struct {
	Span  Span
	Parts []Token
}

// String returns the name without white space.
func (n *Name) String() string {
	var text string
	for i, part := range n.Parts {
		if i > 0 {
			text += "::"
		}
		text += part.Text
	}
	return text
}

// Expr is an expression: one of the pointer types below.
type Expr interface {
	// Span is where the expression is.
	Span() Span
	// Children are its parts, in the order of the source.
	Children() []Expr
}

// at gives a node its place.
type at struct{ span Span }

// Span implements Expr.
func (a at) Span() Span { return a.span }

// The expressions.
type (
	// If is if Test then Then else Else.
	If struct {
		at
		Test, Then, Else Expr
	}
	// Binary is Left Operator Right, for || && == != < <= > >= in + - *.
	Binary struct {
		at
		Operator    Token
		Left, Right Expr
	}
	// Unary is ! or - once or more, innermost last.
	Unary struct {
		at
		Operators []Token
		Arg       Expr
	}
	// Has is Arg has Path, where Path is one string or a dotted path of identifiers.
	Has struct {
		at
		Arg  Expr
		Path []Attribute
	}
	// Like is Arg like Pattern.
	Like struct {
		at
		Arg     Expr
		Pattern Token // the string as written
	}
	// Is is Arg is Type, or Arg is Type in In.
	Is struct {
		at
		Arg  Expr
		Type *Name
		In   Expr // nil without one
	}
	// Access is Arg.Name or Arg["Name"].
	Access struct {
		at
		Arg  Expr
		Name Attribute
	}
	// Call is a method Receiver.Function(Args), or an extension function Function(Args) with no Receiver.
	Call struct {
		at
		Receiver Expr // nil for a function
		Function *Name
		Args     []Expr
	}
	// Variable is principal, action, resource or context.
	Variable struct {
		at
		Token Token
	}
	// Literal is true, false, a number or a string.
	Literal struct {
		at
		Token    Token
		Unquoted string // of a string
	}
	// EntityRef is Type::"id".
	EntityRef struct {
		at
		Type     *Name
		ID       Token
		Unquoted string
	}
	// Slot is ?principal or ?resource, which only templates have.
	Slot struct {
		at
		Token Token
	}
	// Set is [ … ].
	Set struct {
		at
		Elements []Expr
	}
	// Record is { name: value, … }.
	Record struct {
		at
		Fields []Field
	}
	// Paren is ( Inner ).
	Paren struct {
		at
		Inner Expr
	}
)

// Attribute is the name of an attribute where it is used.
type Attribute struct {
	Span Span
	Name string // unescaped
	// Quoted says that it is written as a string.
	Quoted bool
}

// Field is one member of a record.
type Field struct {
	Name  Attribute
	Value Expr
}
