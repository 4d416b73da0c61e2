package syntax

// Walk calls visit for an expression and, where visit returns true, for its parts, in the order of the source. It does
// nothing for nil.
func Walk(e Expr, visit func(Expr) bool) {
	if e == nil || !visit(e) {
		return
	}
	for _, child := range e.Children() {
		Walk(child, visit)
	}
}

// Children implements Expr.
func (e *If) Children() []Expr { return []Expr{e.Test, e.Then, e.Else} }

// Children implements Expr.
func (e *Binary) Children() []Expr { return []Expr{e.Left, e.Right} }

// Children implements Expr.
func (e *Unary) Children() []Expr { return []Expr{e.Arg} }

// Children implements Expr.
func (e *Has) Children() []Expr { return []Expr{e.Arg} }

// Children implements Expr.
func (e *Like) Children() []Expr { return []Expr{e.Arg} }

// Children implements Expr.
func (e *Is) Children() []Expr {
	if e.In == nil {
		return []Expr{e.Arg}
	}
	return []Expr{e.Arg, e.In}
}

// Children implements Expr.
func (e *Access) Children() []Expr { return []Expr{e.Arg} }

// Children implements Expr.
func (e *Call) Children() []Expr {
	if e.Receiver == nil {
		return e.Args
	}
	return append([]Expr{e.Receiver}, e.Args...)
}

// Children implements Expr.
func (*Variable) Children() []Expr { return nil }

// Children implements Expr.
func (*Literal) Children() []Expr { return nil }

// Children implements Expr.
func (*EntityRef) Children() []Expr { return nil }

// Children implements Expr.
func (*Slot) Children() []Expr { return nil }

// Children implements Expr.
func (e *Set) Children() []Expr { return e.Elements }

// Children implements Expr.
func (e *Record) Children() []Expr {
	values := make([]Expr, len(e.Fields))
	for i, field := range e.Fields {
		values[i] = field.Value
	}
	return values
}

// Children implements Expr.
func (e *Paren) Children() []Expr { return []Expr{e.Inner} }
