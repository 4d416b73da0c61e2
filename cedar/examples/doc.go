// Package examples has six sets of policies that a platform team would deploy, with their tests, and a guide that teaches
// the policy model with them in fifteen minutes: README.md beside this file.
//
//   - readonly: agents that look at everything and change nothing
//   - finance: payments with limits, which larger ones need an approval for
//   - tenants: servers of tenants behind a wall, and partners who look at one of them
//   - breakglass: production for people on call, for an hour, and for a contractor until a date
//   - cibots: build machines that act for nobody
//   - tasks: nothing without a task, and only what it is about; what a backend may pass on
//
// Each is a directory with policies, entities, pinned tools and tests, where "countersign policy test" finds them:
//
//	countersign policy test cedar/examples/tasks --cover
package examples
