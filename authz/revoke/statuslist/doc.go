// Package statuslist asks the Token Status Lists of root issuers (draft-ietf-oauth-status-list-21) whether a token is
// still valid.
//
// A root token may say in its claim status.status_list where in which list its status is. Only lists that the
// configuration names for the issuer of that token are asked, so that no token makes us connect to anywhere. A list is a
// JWS of the same issuer, with typ statuslist+jwt and the address of the list as sub. It is fetched when a token first
// refers to it, refreshed while it is used, and believed until its ttl or exp is over. Any status but VALID (0x00)
// revokes. When there is no list to believe, the status is unknown, which refuses the request.
package statuslist
