// Package lint finds what is legal in a Cedar policy and yet most likely a mistake: policies that can never apply, that
// apply to more than their author meant, that other implementations read differently, or that name what is not there.
//
// Each rule has an id, a severity and an example (see [Rules]). Where one text can replace another without letting
// anybody do more, a finding has a fix. A finding that is meant is ignored on the spot, with the reason:
//
//	// countersign:ignore unscoped-policy everybody may ping
//	permit (principal, action == Action::"ping", resource);
//
// The comment stands behind the line in question or right above it; above a policy it is also about the policy as a
// whole. One without a reason does not count, and one that nothing needs is itself a finding.
//
// Rules read the lossless tree of package syntax. What a policy means is left to cedar-go: it checks that a fix
// changed only what it was meant to change.
package lint
