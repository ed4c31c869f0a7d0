// Package pathtree finds the path template of GitHub's REST API that a path fits, such as "/repos/{owner}/{repo}/contents/{path}".
// net/http's ServeMux refuses GitHub's templates, because some overlap without one being the more specific; here the first
// segment that differs decides, and a literal one goes before a parameter.
package pathtree

import (
	"net/url"
	"slices"
	"strings"
)

// Tree maps templates to values. Build it with Add before it is used by many goroutines. The zero value is empty.
type Tree[T any] struct {
	root node[T]
}

type node[T any] struct {
	literal map[string]*node[T]
	param   *node[T]
	leaf    *Match[T]
}

// Match is a template that a path fits.
type Match[T any] struct {
	Template string
	Value    *T
	Params   map[string]string // nil in a tree's own copy
	segments []string
}

// tails are the parameters that take all that is left of a path when they end a template: what they hold has slashes.
var tails = []string{"{path}", "{basehead}", "{ref}", "{branch}"}

// Add returns the value of a template, a zero one if the template is new.
func (t *Tree[T]) Add(template string) *T {
	segments := strings.Split(strings.TrimPrefix(template, "/"), "/")
	at := &t.root
	for _, s := range segments {
		if strings.HasPrefix(s, "{") {
			if at.param == nil {
				at.param = &node[T]{}
			}
			at = at.param
			continue
		}
		if at.literal == nil {
			at.literal = map[string]*node[T]{}
		}
		if at.literal[s] == nil {
			at.literal[s] = &node[T]{}
		}
		at = at.literal[s]
	}
	if at.leaf == nil {
		at.leaf = &Match[T]{Template: template, Value: new(T), segments: segments}
	}
	return at.leaf.Value
}

// Find returns the template that an escaped path fits, with its parameters unescaped, or nil. Where templates differ only in the
// names of their parameters the first that was added stands for all.
func (t *Tree[T]) Find(path string) *Match[T] {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	found := t.root.find(parts)
	if found == nil {
		return nil
	}
	out := *found
	out.Params = map[string]string{}
	for n, s := range found.segments {
		if !strings.HasPrefix(s, "{") {
			continue
		}
		value := ""
		if n < len(parts) {
			value = parts[n]
		}
		if n == len(found.segments)-1 {
			value = strings.Join(parts[min(n, len(parts)):], "/")
		}
		if plain, err := url.PathUnescape(value); err == nil {
			value = plain
		}
		out.Params[strings.Trim(s, "{}")] = value
	}
	return &out
}

func (n *node[T]) find(parts []string) *Match[T] {
	if len(parts) == 0 {
		if n.leaf == nil && n.param != nil && n.param.isTail() { // nothing is left: the root of a repository's contents
			return n.param.leaf
		}
		return n.leaf
	}
	if next := n.literal[parts[0]]; next != nil {
		if found := next.find(parts[1:]); found != nil {
			return found
		}
	}
	if n.param == nil {
		return nil
	}
	if found := n.param.find(parts[1:]); found != nil {
		return found
	}
	if n.param.isTail() {
		return n.param.leaf
	}
	return nil
}

func (n *node[T]) isTail() bool {
	return n.leaf != nil && slices.Contains(tails, n.leaf.segments[len(n.leaf.segments)-1])
}
