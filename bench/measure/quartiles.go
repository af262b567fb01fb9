package measure

import (
	"math"
	"slices"
)

// Quartiles are the values below which a quarter, half and three quarters of the
// samples lie.
type Quartiles struct{ Lower, Median, Upper float64 }

func quartilesOf(samples []Sample, of func(Sample) float64) Quartiles {
	values := make([]float64, len(samples))
	for i, sample := range samples {
		values[i] = of(sample)
	}
	return quartiles(values)
}

// ratios compares round by round.
func ratios(samples, base []Sample) Quartiles {
	values := make([]float64, len(samples))
	for i := range samples {
		values[i] = samples[i].Value / base[i].Value
	}
	return quartiles(values)
}

// quartiles sorts values. Between two of them it interpolates.
func quartiles(values []float64) Quartiles {
	if len(values) == 0 {
		return Quartiles{}
	}
	slices.Sort(values)
	at := func(fraction float64) float64 {
		whole, rest := math.Modf(fraction * float64(len(values)-1))
		i := int(whole)
		if rest == 0 {
			return values[i]
		}
		return values[i]*(1-rest) + values[i+1]*rest
	}
	return Quartiles{Lower: at(0.25), Median: at(0.5), Upper: at(0.75)}
}
