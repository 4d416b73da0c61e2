// Package scene holds the scenes that are played on a stage: by the demo, which tells the audience what it sees, and by
// the end-to-end tests, over every protocol version and transport. A scene announces what will happen, and fails if
// anything else does.
package scene
