// Package bench compares deciding with Countersign's policies to the same rules in Open Policy Agent and in the Common
// Expression Language, each as a library in this process, from the same request. It is a module of its own so that the
// engines never become dependencies of Countersign. How plain cedar-go fares is measured beside the index, in package
// cedar.
//
// Rule i: a workload in group g(i mod 50) may call tool crm/t(i) while the delegation has not expired and has the scope
// mcp:crm:t(i). The request matches one rule. Every engine gets the rules prepared, and makes its own input from the
// request each time:
//
//   - Countersign translates what the rules read, finds the rules by their scope and evaluates these.
//   - OPA converts a Go map. Its rule index finds the rule, because the tool is compared with a literal.
//   - CEL has one program for each rule and evaluates all of them: what to leave out is up to the application.
package bench
