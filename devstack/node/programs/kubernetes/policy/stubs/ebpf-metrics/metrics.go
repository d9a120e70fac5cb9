package metrics

func ProgLoadEAGAINRetries() uint64   { return 0 }
func ProgLoadEAGAINExhausted() uint64 { return 0 }
