// Package yamlnode describes a node of a parsed YAML file in messages to the file's author: where it is, and what kind of thing.
package yamlnode

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Place returns the line and the column, from 1, where a node begins; for a block mapping that is its first key, and not the colon after it.
func Place(n ast.Node) (line, column int) {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		n = m.Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line, t.Position.Column
	}
	return 1, 1
}

// Kind says what a node is, as in "name is a list".
func Kind(n ast.Node) string {
	switch n := n.(type) {
	case *ast.NullNode:
		return "left empty"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.IntegerNode, *ast.FloatNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.StringNode, *ast.LiteralNode:
		return "a text"
	default:
		return "a " + strings.ToLower(n.Type().String())
	}
}
