package condition

import (
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// TestStepsOnStrings holds what a function is charged for, and refused for before it
// is called, against what it reads and makes.
func TestStepsOnStrings(t *testing.T) {
	t.Parallel()
	text := func(n int) ref.Val { return types.String(strings.Repeat("x", n)) }
	list := func(n int) ref.Val {
		return types.NewStringList(types.DefaultTypeAdapter, make([]string, n))
	}
	number := func(n int) ref.Val { return types.Int(n) }
	for _, tt := range []struct {
		name, function string
		args           []ref.Val
		want           uint64
	}{
		{"characters", "lowerAscii", []ref.Val{text(1000)}, 400},
		{"both texts, and each place in the first", "indexOf", []ref.Val{text(1000), text(100)}, 440 + 10_000},
		{"from the end", "lastIndexOf", []ref.Val{text(1000), text(100)}, 440 + 10_000},
		{"each replacement", "replace", []ref.Val{text(1000), text(1), text(50)}, 420 + 5_000},
		{"as many as asked for", "replace", []ref.Val{text(1000), text(1), text(50), number(10)}, 420 + 50},
		{"all, by a negative number", "replace", []ref.Val{text(1000), text(1), text(50), number(-1)}, 420 + 5_000},
		{"none", "replace", []ref.Val{text(1000), text(1), text(50), number(0)}, 420},
		{"parts", "split", []ref.Val{text(1000), types.String("y")}, 400 + 2},
		{"each character a part", "split", []ref.Val{text(1000), types.String("")}, 400 + 2*1002},
		{"room for parts that there are not", "split", []ref.Val{text(1000), types.String("y"), number(1 << 62)}, 400 + 2*1001},
		{"each separator", "join", []ref.Val{list(100), text(100)}, 440 + 1_000},
		{"without a separator", "join", []ref.Val{list(100)}, 400},
		{"numbers", "format", []ref.Val{text(10), list(100)}, 1 + 4_100},
		{"too much to read", "reverse", []ref.Val{text(250_010)}, maxCost + 1},
		{"too much to compare", "indexOf", []ref.Val{text(2000), text(1000)}, maxCost + 1},
		{"a map is not written", "format", []ref.Val{text(10), types.NewRefValList(types.DefaultTypeAdapter, []ref.Val{
			types.NewStringStringMap(types.DefaultTypeAdapter, map[string]string{"": ""}),
		})}, maxCost + 1},
	} {
		if got := stepsOnStrings(tt.function, tt.args); got < tt.want || got > min(tt.want+2, maxCost+1) {
			t.Errorf("%s, %s: %d steps, want %d", tt.function, tt.name, got, tt.want)
		}
	}
}
