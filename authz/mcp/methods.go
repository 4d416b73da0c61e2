package mcp

import (
	"countersign.dev/authz/denial"
)

// about says what a method's params name as its target.
type about int

const (
	aboutServer        about = iota // nothing in particular
	aboutTool                       // params.name
	aboutPrompt                     // params.name
	aboutResource                   // params.uri
	aboutTask                       // params.taskId
	aboutReference                  // params.ref, a prompt or a resource template
	aboutSubscriptions              // params.notifications.resourceSubscriptions, any number of resources
)

// mirrored reports whether the target is the value of Mcp-Name.
func (a about) mirrored() bool { return a >= aboutTool && a <= aboutTask }

// form says whether a method is called with an id.
type form int

const (
	request form = iota
	notification
)

// method is a JSON-RPC method that a client may send.
type method struct {
	form  form
	since string // the first version that has it
	until string // the last
	about about
}

const (
	first  = Version20241105
	tasks  = Version20251125 // tasks are part of the core protocol here only
	modern = Version20260728
)

// methods has every method from client to server, after the schemas of the five versions and of the extension
// io.modelcontextprotocol/tasks (SEP-2663) for 2026-07-28. Whatever is not here is refused, the methods from server to
// client among them: sampling/createMessage, elicitation/create, roots/list, and all other notifications.
//
// 2026-07-28 has no notification over HTTP. notifications/cancelled is accepted all the same, because clients that
// share their code between transports send it, a refusal ends the connection of some, and servers ignore it.
var methods = map[string]method{
	"initialize":                       {request, first, lastLegacy, aboutServer},
	"ping":                             {request, first, lastLegacy, aboutServer},
	"server/discover":                  {request, modern, modern, aboutServer},
	"tools/list":                       {request, first, modern, aboutServer},
	"tools/call":                       {request, first, modern, aboutTool},
	"prompts/list":                     {request, first, modern, aboutServer},
	"prompts/get":                      {request, first, modern, aboutPrompt},
	"resources/list":                   {request, first, modern, aboutServer},
	"resources/templates/list":         {request, first, modern, aboutServer},
	"resources/read":                   {request, first, modern, aboutResource},
	"resources/subscribe":              {request, first, lastLegacy, aboutResource},
	"resources/unsubscribe":            {request, first, lastLegacy, aboutResource},
	"subscriptions/listen":             {request, modern, modern, aboutSubscriptions},
	"completion/complete":              {request, first, modern, aboutReference},
	"logging/setLevel":                 {request, first, lastLegacy, aboutServer},
	"tasks/get":                        {request, tasks, modern, aboutTask},
	"tasks/result":                     {request, tasks, tasks, aboutTask},
	"tasks/list":                       {request, tasks, tasks, aboutServer},
	"tasks/cancel":                     {request, tasks, modern, aboutTask},
	"tasks/update":                     {request, modern, modern, aboutTask},
	"notifications/initialized":        {notification, first, lastLegacy, aboutServer},
	"notifications/cancelled":          {notification, first, modern, aboutServer},
	"notifications/progress":           {notification, first, lastLegacy, aboutServer},
	"notifications/roots/list_changed": {notification, first, lastLegacy, aboutServer},
	"notifications/tasks/status":       {notification, tasks, tasks, aboutServer},
}

// lookUp returns the method of a message that has an id or not, in the given version.
func lookUp(name, version string, kind Kind) (method, error) {
	m, ok := methods[name]
	if !ok || version < m.since || version > m.until {
		return method{}, denial.New(denial.MethodUnknown, "%.64q is not a method of a client in %s", name, version)
	}
	if (kind == KindNotification) != (m.form == notification) {
		return method{}, denial.New(denial.RPCInvalid, "%s sent as a %s", name, kind)
	}
	return m, nil
}

// IsMethod reports whether any protocol version has the method.
func IsMethod(name string) bool {
	_, ok := methods[name]
	return ok
}
