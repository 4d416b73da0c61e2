// Package access answers who may call a tool, and what a workload may call, for all requests at once: yes, no, or
// depending on a condition that is left over. It is about policies alone. A request must pass everything before them too:
// its delegation must be genuine and its scope must cover the tool.
package access
