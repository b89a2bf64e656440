# The targets that matter. Each is one command; there is nothing to configure.
.PHONY: demo check fast bench lint

demo: ## repair a device of a running guest
	go run ./examples/hotpatch

check: ## everything that CI runs
	go run ./internal/cmd/check

fast: ## what needs no nested rig
	go test -short ./...

bench: ## the benchmarks, ten times, for benchstat
	go test -run '^$$' -bench . -count 10 ./patch ./vmm | tee bench.out

lint: ## the linters of .golangci.yml, newest version; the first run builds them
	go vet ./...
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@latest run
