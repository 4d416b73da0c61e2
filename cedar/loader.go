package cedar

import (
	"crypto/sha256"
	"maps"
	"runtime"
	"slices"
	"strconv"

	cedargo "github.com/cedar-policy/cedar-go"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// maxLocating bounds the bytes of policy text that are validated once more in one load to say where a mistake is. Beyond
// it, messages point to the policy.
const maxLocating = 4 << 20

// loader checks one generation of files after the other. What did not change since the generation in force, or since the
// last attempt, is not checked again. It is for one goroutine.
type loader struct {
	held, tried *checked
}

// checked is what came out of checking all files. It does not change.
type checked struct {
	words   *words
	groups  *groups // nil when the tools are wrong
	texts   []*checkedText
	all     policies
	general problems // of no single file
}

// words is what follows from the pinned tools.
type words struct {
	sum        [sha256.Size]byte
	pins       pins
	vocabulary *vocabulary
	narrower   *narrower
	problems   problems
}

// groups is what follows from the entities file.
type groups struct {
	words    *words
	sum      [sha256.Size]byte
	registry *registry
	problems problems
}

// checkedText is a policy file with what the schema says about it.
type checkedText struct {
	*policyText
	words    *words
	problems problems
}

// load makes a snapshot, or returns everything that is wrong with the files.
func (l *loader) load(src *sources, cfg Config) (*Snapshot, error) {
	g, err := l.check(src, cfg.Policies)
	if err != nil {
		return nil, err
	}
	l.tried = g
	if err := g.problems().err(); err != nil {
		return nil, err
	}
	s := &Snapshot{
		digest: src.digest(coreSchema), onError: cfg.OnError, monitor: newMonitor(cfg),
		schema: g.words.vocabulary.text, pins: g.words.pins, registry: g.groups.registry,
	}
	s.prepare(g.all)
	l.held, l.tried = g, nil
	return s, nil
}

// before returns the generations to take things from.
func (l *loader) before() []*checked {
	return slices.DeleteFunc([]*checked{l.held, l.tried}, func(g *checked) bool { return g == nil })
}

// check reads and checks everything. The error is our own failure.
func (l *loader) check(src *sources, dir string) (*checked, error) {
	g := &checked{}
	var err error
	if g.words, err = l.words(src); err != nil {
		return nil, err
	}
	if len(src.policies) == 0 {
		g.general.add(dir, 0, 0, "no *.cedar files: a policy that permits nothing must say so with a forbid")
		g.general.of("no-files")
	}
	l.read(g, src.policies)
	g.join()
	if len(g.words.problems) > 0 { // without the tools, the rest cannot be judged
		return g, nil
	}
	g.groups = l.groups(g.words, src.entities)
	g.validate()
	return g, nil
}

// problems returns all that is wrong.
func (g *checked) problems() problems {
	all := slices.Concat(g.general, g.words.problems)
	if g.groups != nil {
		all = append(all, g.groups.problems...)
	}
	for _, t := range g.texts {
		all = slices.Concat(all, t.policyText.problems, t.problems)
	}
	return all
}

// words reads the pinned tools.
func (l *loader) words(src *sources) (*words, error) {
	h := sha256.New()
	for _, server := range slices.Sorted(maps.Keys(src.tools)) {
		f := src.tools[server]
		sum := sha256.Sum256(f.data)
		h.Write([]byte(strconv.Quote(server) + strconv.Quote(f.name)))
		h.Write(sum[:])
	}
	w := &words{sum: [sha256.Size]byte(h.Sum(nil))}
	for _, g := range l.before() {
		if g.words.sum == w.sum {
			return g.words, nil
		}
	}
	w.pins, w.problems = readPins(src.tools)
	w.problems.of("tools")
	if len(w.problems) > 0 {
		return w, nil
	}
	var err error
	if w.vocabulary, err = newVocabulary(w.pins); err != nil {
		return nil, err
	}
	w.narrower = newNarrower(w.vocabulary.schema)
	return w, nil
}

// groups reads the entities file.
func (l *loader) groups(w *words, entities *file) *groups {
	r := &groups{words: w}
	if entities != nil {
		sum := sha256.New()
		sum.Write([]byte(strconv.Quote(entities.name)))
		sum.Write(entities.data)
		r.sum = [sha256.Size]byte(sum.Sum(nil))
	}
	for _, g := range l.before() {
		if g.groups != nil && g.groups.words == w && g.groups.sum == r.sum {
			return g.groups
		}
	}
	r.registry, r.problems = newRegistry(w.vocabulary, w.pins, entities)
	r.problems.of("entities")
	return r
}

// read reads the policy files that are new.
func (l *loader) read(g *checked, files []file) {
	type key struct {
		name string
		sum  [sha256.Size]byte
	}
	known := make(map[key]*checkedText)
	for _, old := range l.before() {
		for _, t := range old.texts {
			if k := (key{t.name, t.sum}); known[k] == nil || t.words == g.words {
				known[k] = t
			}
		}
	}
	g.texts = make([]*checkedText, len(files))
	share(len(files), func(i int) {
		f := files[i]
		sum := sha256.Sum256(f.data)
		switch t := known[key{f.name, sum}]; {
		case t == nil:
			g.texts[i] = &checkedText{policyText: readPolicies(f, sum)}
		case t.words == g.words:
			g.texts[i] = t
		default:
			g.texts[i] = &checkedText{policyText: t.policyText}
		}
	})
}

// join puts the policies of all files together. An id stands for one policy.
func (g *checked) join() {
	type place struct {
		text *checkedText
		body *cedargo.Policy
	}
	first := make(map[cedargo.PolicyID]place)
	for _, t := range g.texts {
		for _, p := range t.policies {
			if p.id == "" {
				continue // reported
			}
			other, twice := first[p.id]
			if !twice {
				first[p.id] = place{t, p.body}
				g.all = append(g.all, p)
				continue
			}
			at := other.body.Position()
			c := complaint{
				rule: "duplicate-id", annotation: "id",
				message: "id " + strconv.Quote(string(p.id)) + " is taken by the policy at " +
					at.Filename + ":" + strconv.Itoa(at.Line) + ":" + strconv.Itoa(at.Column),
			}
			for _, span := range c.spans(statement(t.tree(), p.body)) {
				d := t.diagnostic(&p, c, span)
				d.Policy = ""
				g.general = append(g.general, d)
			}
		}
	}
}

// validate checks the policies of files that are new, or that were checked against other tools.
func (g *checked) validate() {
	type task struct {
		text *checkedText
		p    *policy
		said []string
	}
	var tasks []task
	for _, t := range g.texts {
		if t.words == g.words {
			continue
		}
		t.words = g.words
		for i := range t.policies {
			tasks = append(tasks, task{text: t, p: &t.policies[i]})
		}
	}
	const batch = 64 // policies at a time
	workers := make(chan *validators, runtime.GOMAXPROCS(0))
	share((len(tasks)+batch-1)/batch, func(i int) {
		var v *validators
		select {
		case v = <-workers:
		default:
			v = newValidators(g.words.narrower)
		}
		for j := i * batch; j < min(len(tasks), (i+1)*batch); j++ {
			tasks[j].said = v.mistakes(tasks[j].p)
		}
		workers <- v
	})
	budget := maxLocating
	trees := make(map[*checkedText]*syntax.File)
	v := newValidators(g.words.narrower)
	for _, failed := range tasks {
		if failed.said == nil {
			continue
		}
		if trees[failed.text] == nil {
			trees[failed.text] = failed.text.tree()
		}
		failed.text.problems = append(failed.text.problems,
			failed.text.explain(trees[failed.text], failed.p, failed.said, v, g.words.pins, &budget)...)
	}
}

// explain says where the mistakes of a policy are and what to do about them.
func (t *checkedText) explain(
	tree *syntax.File, p *policy, said []string, v *validators, pinned pins, budget *int,
) []diagnostic.Diagnostic {
	s := statement(tree, p.body)
	if s == nil {
		var ds []diagnostic.Diagnostic
		for _, sentence := range said {
			ds = append(ds, t.diagnostic(p, complaint{rule: "schema", message: sentence}, syntax.Span{}))
		}
		return ds
	}
	x := explainer{newLocator(tree, s, v.judge(p.ast()), budget), v.narrower, pinned}
	ds := x.explain(p.ast(), said)
	if scope, body, ok := x.corrected(); ok {
		judge := v.judge(body)
		x.locator = newLocator(tree, s, judge, budget)
		x.scope = scope
		for _, sentence := range slices.Compact(slices.Sorted(slices.Values(judge(body)))) {
			ds = append(ds, x.inConditions(body, sentence)...)
		}
	}
	for i := range ds {
		ds[i].File, ds[i].Policy = t.name, string(p.id)
	}
	return ds
}
