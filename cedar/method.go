package cedar

import "countersign.dev/authz/mcp"

// callTool is the action whose children are the pinned tools.
const callTool = "call_tool"

// actions maps a method and what the call is about to the action that policy is asked for. What is not here has no
// action, and so no permit.
var actions = map[string]map[mcp.TargetKind]string{
	"initialize":      {mcp.TargetNone: "initialize"},
	"server/discover": {mcp.TargetNone: "discover"},
	"ping":            {mcp.TargetNone: "ping"},
	"logging/setLevel": {
		mcp.TargetNone: "set_log_level",
	},
	"tools/list":               {mcp.TargetNone: "list_tools"},
	"tools/call":               {mcp.TargetTool: callTool},
	"prompts/list":             {mcp.TargetNone: "list_prompts"},
	"prompts/get":              {mcp.TargetPrompt: "get_prompt"},
	"resources/list":           {mcp.TargetNone: "list_resources"},
	"resources/templates/list": {mcp.TargetNone: "list_resource_templates"},
	"resources/read":           {mcp.TargetResource: "read_resource"},
	"resources/subscribe":      {mcp.TargetResource: "subscribe_resource"},
	"resources/unsubscribe":    {mcp.TargetResource: "unsubscribe_resource"},
	"subscriptions/listen": {
		mcp.TargetNone:     "listen",
		mcp.TargetResource: "subscribe_resource",
	},
	"completion/complete": {
		mcp.TargetNone:     "complete",
		mcp.TargetPrompt:   "complete",
		mcp.TargetResource: "complete",
	},
	"tasks/list":   {mcp.TargetNone: "list_tasks"},
	"tasks/get":    {mcp.TargetTask: "get_task"},
	"tasks/result": {mcp.TargetTask: "get_task_result"},
	"tasks/update": {mcp.TargetTask: "update_task"},
	"tasks/cancel": {mcp.TargetTask: "cancel_task"},
}

// kinds maps messages without a request method.
var kinds = map[mcp.Kind]string{
	mcp.KindNotification: "notify",
	mcp.KindResponse:     "respond",
	mcp.KindStream:       "open_stream",
	mcp.KindEnd:          "end_session",
	mcp.KindPreflight:    "preflight",
}

// action returns the action for one target of a call.
func action(call *mcp.Call, target mcp.TargetKind) (string, bool) {
	if call.Kind == mcp.KindRequest {
		name, ok := actions[call.Method][target]
		return name, ok
	}
	name, ok := kinds[call.Kind]
	return name, ok && target == mcp.TargetNone
}
