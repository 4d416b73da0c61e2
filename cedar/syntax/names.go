package syntax

// keywords are the reserved words, which are not identifiers.
var keywords = map[string]bool{
	"true": true, "false": true, "if": true, "then": true, "else": true, "in": true, "is": true, "like": true, "has": true,
	"__cedar": true,
}

// functions are the extension functions; both implementations refuse other names while they parse.
var functions = map[string]bool{"ip": true, "decimal": true, "datetime": true, "duration": true}

// anyNumber says of a method that the number of its arguments is only checked when policies are validated.
const anyNumber = -1

// methods has the number of arguments of each method, the receiver not counted.
var methods = map[string]int{
	"contains": 1, "containsAll": 1, "containsAny": 1, "isEmpty": 0, "hasTag": 1, "getTag": 1,
	"lessThan": anyNumber, "lessThanOrEqual": anyNumber, "greaterThan": anyNumber, "greaterThanOrEqual": anyNumber,
	"isIpv4": anyNumber, "isIpv6": anyNumber, "isLoopback": anyNumber, "isMulticast": anyNumber, "isInRange": anyNumber,
	"toDate": anyNumber, "toTime": anyNumber, "offset": anyNumber, "durationSince": anyNumber,
	"toDays": anyNumber, "toHours": anyNumber, "toMinutes": anyNumber, "toSeconds": anyNumber, "toMilliseconds": anyNumber,
}
