package mcp

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"countersign.dev/authz/denial"
)

// readTargets returns what a call with these params is about.
func readTargets(a about, params Object) ([]Target, error) {
	switch a {
	case aboutTool:
		return one(TargetTool, params, "name")
	case aboutPrompt:
		return one(TargetPrompt, params, "name")
	case aboutResource:
		return one(TargetResource, params, "uri")
	case aboutTask:
		return one(TargetTask, params, "taskId")
	case aboutReference:
		return readReference(params)
	case aboutSubscriptions:
		return readSubscriptions(params)
	default:
		return nil, nil
	}
}

func one(kind TargetKind, o Object, member string) ([]Target, error) {
	v, _ := o.Get(member)
	name, ok := v.(String)
	if !ok {
		return nil, denial.New(denial.ParamsInvalid, "%s is missing or not a string", member)
	}
	if err := checkName(kind, string(name)); err != nil {
		return nil, err
	}
	return []Target{{kind, string(name)}}, nil
}

// readReference reads what completion/complete completes: {type: ref/prompt, name} or {type: ref/resource, uri}. With
// both names it would depend on the backend which one counts.
func readReference(params Object) ([]Target, error) {
	v, _ := params.Get("ref")
	ref, ok := v.(Object)
	if !ok {
		return nil, denial.New(denial.ParamsInvalid, "ref is missing or not an object")
	}
	if err := refuseVariants(ref, knownRef); err != nil {
		return nil, err
	}
	var kind TargetKind
	var member, other string
	switch t, _ := ref.Get("type"); t {
	case String("ref/prompt"):
		kind, member, other = TargetPrompt, "name", "uri"
	case String("ref/resource"):
		kind, member, other = TargetResource, "uri", "name"
	default:
		return nil, denial.New(denial.ParamsInvalid, "ref.type is not ref/prompt or ref/resource")
	}
	if _, both := ref.Get(other); both {
		return nil, denial.New(denial.ParamsInvalid, "ref has both name and uri")
	}
	return one(kind, ref, member)
}

// readSubscriptions reads which resources subscriptions/listen wants to hear about; none is allowed.
func readSubscriptions(params Object) ([]Target, error) {
	v, _ := params.Get("notifications")
	wanted, ok := v.(Object)
	if !ok {
		return nil, denial.New(denial.ParamsInvalid, "notifications is missing or not an object")
	}
	if err := refuseVariants(wanted, knownNotifications); err != nil {
		return nil, err
	}
	v, present := wanted.Get("resourceSubscriptions")
	if !present {
		return nil, nil
	}
	uris, ok := v.(Array)
	if !ok || len(uris) > MaxSubscriptions {
		return nil, denial.New(denial.ParamsInvalid, "resourceSubscriptions is not a list of at most %d", MaxSubscriptions)
	}
	targets := make([]Target, 0, len(uris))
	for _, v := range uris {
		uri, ok := v.(String)
		if !ok {
			return nil, denial.New(denial.ParamsInvalid, "a resource in resourceSubscriptions is not a string")
		}
		if err := checkName(TargetResource, string(uri)); err != nil {
			return nil, err
		}
		targets = append(targets, Target{TargetResource, string(uri)})
	}
	return targets, nil
}

// checkName refuses names that would be ambiguous where they are used next.
//
// No name may have characters that do not print: they would hide in a policy, a log and a list on a screen. A tool
// name becomes an item of a delegation's scope, mcp:<server>:<tool>, in a list separated by spaces where * stands for
// all tools, and so may not have a space, *, " or \ (RFC 6749, section 3.3). The characters : and / are fine, because
// a server name has neither and comes first. A URI has no spaces.
func checkName(kind TargetKind, name string) error {
	limit, refused := MaxName, ""
	switch kind {
	case TargetTool:
		limit, refused = MaxToolName, " *\"\\"
	case TargetResource:
		limit, refused = MaxURI, " "
	}
	switch {
	case name == "":
		return denial.New(denial.ParamsInvalid, "the %s has no name", kind)
	case len(name) > limit:
		return denial.New(denial.ParamsInvalid, "the %s name has %d bytes, at most %d", kind, len(name), limit)
	case strings.ContainsAny(name, refused) || strings.ContainsFunc(name, invisible) || !utf8.ValidString(name):
		return denial.New(denial.ParamsInvalid, "the %s name %.64q has a character that is not allowed", kind, name)
	}
	return nil
}

func invisible(r rune) bool { return !unicode.IsPrint(r) }

// readArguments returns params.arguments, which tools/call and prompts/get have.
func readArguments(a about, params Object) (Object, error) {
	v, present := params.Get("arguments")
	if !present || a != aboutTool && a != aboutPrompt {
		return Object{}, nil
	}
	arguments, ok := v.(Object)
	if !ok {
		return Object{}, denial.New(denial.ParamsInvalid, "arguments is not an object")
	}
	return arguments, nil
}
