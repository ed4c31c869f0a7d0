package policy

// bitset holds indices of patterns.
type bitset [MaxPatterns / 64]uint64

func (b *bitset) set(i int) { b[i/64] |= 1 << (i % 64) }

// literalKey is a string to look for and the pattern that asks for it.
type literalKey struct {
	text    string
	pattern int
}

// literals finds which of many strings occur in a path, in one pass over it: an Aho-Corasick automaton with all its
// transitions written out, over the classes of bytes that the strings tell apart.
type literals struct {
	class   [256]uint8 // 0 is every byte that no string has
	classes int
	next    []int32   // by state*classes + class
	found   []int32   // by state: 0, or 1 + an index into sets
	sets    [][]int32 // the patterns whose literals end in a state
}

func newLiterals(keys []literalKey) *literals {
	l := &literals{classes: 1}
	for _, k := range keys {
		for i := range len(k.text) {
			if c := k.text[i]; l.class[c] == 0 {
				l.class[c] = uint8(l.classes) // at most 255: text is valid UTF-8, which never holds 0xFF
				l.classes++
			}
		}
	}
	ends := [][]int32{nil}
	l.next = make([]int32, l.classes)
	for _, k := range keys {
		state := int32(0)
		for i := range len(k.text) {
			at := int(state)*l.classes + int(l.class[k.text[i]])
			if l.next[at] == 0 {
				l.next[at] = int32(len(ends))
				l.next = append(l.next, make([]int32, l.classes)...)
				ends = append(ends, nil)
			}
			state = l.next[at]
		}
		ends[state] = append(ends[state], int32(k.pattern))
	}
	l.link(ends)
	l.found = make([]int32, len(ends))
	for state, patterns := range ends {
		if len(patterns) > 0 {
			l.sets = append(l.sets, patterns)
			l.found[state] = int32(len(l.sets))
		}
	}
	return l
}

// link turns the trie into the automaton: breadth first, so that a state's suffix is finished before the state itself.
func (l *literals) link(ends [][]int32) {
	suffix := make([]int32, len(ends))
	var queue []int32
	for c := range l.classes {
		if s := l.next[c]; s != 0 {
			queue = append(queue, s)
		}
	}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		ends[state] = append(ends[state], ends[suffix[state]]...)
		for c := range l.classes {
			at := int(state)*l.classes + c
			fallback := l.next[int(suffix[state])*l.classes+c]
			if l.next[at] == 0 {
				l.next[at] = fallback
				continue
			}
			suffix[l.next[at]] = fallback
			queue = append(queue, l.next[at])
		}
	}
}

// find adds to out the patterns whose literals occur in "/"+path+"/".
func (l *literals) find(path string, out *bitset) {
	if len(l.sets) == 0 {
		return
	}
	state := l.step(0, '/', out)
	for i := range len(path) {
		state = l.step(state, path[i], out)
	}
	l.step(state, '/', out)
}

func (l *literals) step(state int32, c byte, out *bitset) int32 {
	state = l.next[int(state)*l.classes+int(l.class[c])]
	if f := l.found[state]; f != 0 {
		for _, p := range l.sets[f-1] {
			out.set(int(p))
		}
	}
	return state
}
