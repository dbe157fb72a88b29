package runner

// queue holds the ready steps of one class: the head of the longest chain
// first, and among equals in the plan's order.
type queue struct {
	graph *graph
	steps []int
}

func (q *queue) Len() int { return len(q.steps) }
func (q *queue) Less(i, j int) bool {
	a, b := q.steps[i], q.steps[j]
	if x, y := q.graph.chain[a], q.graph.chain[b]; x != y {
		return x > y
	}
	return a < b
}
func (q *queue) Swap(i, j int) { q.steps[i], q.steps[j] = q.steps[j], q.steps[i] }
func (q *queue) Push(x any)    { q.steps = append(q.steps, x.(int)) }
func (q *queue) Pop() any {
	last := q.steps[len(q.steps)-1]
	q.steps = q.steps[:len(q.steps)-1]
	return last
}
