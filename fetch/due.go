package fetch

import "container/heap"

// dues is a heap of maildrops by the time they are due.
type dues []*entry

func (d dues) Len() int           { return len(d) }
func (d dues) Less(i, j int) bool { return d[i].due.Before(d[j].due) }

func (d dues) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].index, d[j].index = i, j
}

// Push is heap.Interface's.
func (d *dues) Push(x any) {
	e := x.(*entry)
	e.index = len(*d)
	*d = append(*d, e)
}

// Pop is heap.Interface's.
func (d *dues) Pop() any {
	last := len(*d) - 1
	e := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	e.index = -1
	return e
}

func (d *dues) put(e *entry) {
	if e.index < 0 {
		heap.Push(d, e)
		return
	}
	heap.Fix(d, e.index)
}

func (d *dues) take(e *entry) {
	if e.index >= 0 {
		heap.Remove(d, e.index)
	}
}
