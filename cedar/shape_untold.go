package cedar

import (
	"maps"
	"slices"
)

// untoldIn lists what cannot be told, with the paths of the members concerned.
func (d *demand) untoldIn(path string) []LeftOut {
	w := untoldWalk{on: map[*demand]bool{}, seen: map[LeftOut]bool{}, steps: maxSchemaParts}
	w.walk(d, path)
	return w.all
}

type untoldWalk struct {
	on    map[*demand]bool // the way to here
	seen  map[LeftOut]bool
	steps int
	all   []LeftOut
}

func (w *untoldWalk) walk(d *demand, path string) {
	if d == nil || w.on[d] || w.steps == 0 || len(w.all) == maxUntold {
		return
	}
	w.steps--
	w.on[d] = true
	defer delete(w.on, d)
	for _, u := range d.untold {
		if line := (LeftOut{path, u.reason}); !w.seen[line] {
			w.seen[line] = true
			w.all = append(w.all, line)
		}
	}
	same := slices.Concat(d.all, slices.Concat(d.unions...), d.exactly, []*demand{d.not})
	if c := d.condition; c != nil {
		same = append(same, c.when, c.then, c.otherwise)
	}
	for _, part := range same {
		w.walk(part, path)
	}
	if l := d.list; l != nil {
		for _, part := range slices.Concat(l.prefix, []*demand{l.items, l.contains, l.unevaluated}) {
			w.walk(part, path+"/*")
		}
	}
	if o := d.object; o != nil {
		w.object(o, path)
	}
}

func (w *untoldWalk) object(o *objectDemand, path string) {
	for _, name := range slices.Sorted(maps.Keys(o.members)) {
		w.walk(o.members[name].is, path+"/"+pointerEscape.Replace(name))
	}
	for _, p := range o.patterns {
		w.walk(p.is, path+"/*")
	}
	for _, part := range []*demand{o.others, o.names, o.unevaluated} {
		w.walk(part, path+"/*")
	}
	for _, t := range o.together {
		w.walk(t.is, path)
	}
}
