# Portcullis. `make` alone tells what there is; every target does its own set-up and prints what it installs.

.PHONY: help run test bench debuggers evening story menu faults macos mac-run app clean fuzz verdicts cases uninstall pictures idle

help: ## what there is
	@echo 'make TARGET, where TARGET is:'
	@awk -F ': ## ' '/^[a-z-]+: ## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile

run: ## start the tray; without a display, show the same job as text in a lab
	@scripts/run.sh

test: ## everything that CI runs
	@scripts/test.sh

bench: ## measure parsing, verdicts and the socket table; against BASE (f1c44e8) too
	@scripts/bench.sh

debuggers: ## look at the real debug servers, and show that none was harmed
	@scripts/debuggers.sh

evening: ## two years of evenings and of clocks that are set; EVENING_SEED=N: other ones (a sample is in `make test`)
	@scripts/evening.sh

story: ## what status, menu, doctor, explain and connect say of 10,000 random worlds agrees (a sample is in `make test`)
	@scripts/story.sh

menu: ## click every row of the menu in 14 situations, then change what it shows 2,000 times (a sample is in `make test`)
	@scripts/menu.sh

faults: ## fail each call of the helper once; POINT=… tries one again, FAULTS_SAMPLE=N some of them
	@scripts/faults.sh

pictures: ## the icon and the menu in a real panel, light and dark, into resources/pictures
	@scripts/pictures.sh

idle: ## what the tray costs while nothing happens, and while pf's log is recorded
	@scripts/idle.sh

fuzz: ## fuzz pf's parser, printer and evaluator, FUZZ_SECONDS (60) for each
	@scripts/fuzz.sh

verdicts: ## 200,000 generated rulesets against the second evaluator
	@PF_CASES=200000 cargo test --locked --no-default-features --test pf_verdicts -- --nocapture

cases: ## inputs of people, and what is right for each; BASE=COMMIT: which of them that commit gets wrong
	@scripts/cases.sh

uninstall: ## 1,000 random requests each way, then uninstall: the Mac is as it was (a sample is in `make test`)
	@PORTCULLIS_UNINSTALL_OPERATIONS=$${PORTCULLIS_UNINSTALL_OPERATIONS:-1000} \
		cargo test --locked --no-default-features --test uninstall -- --nocapture

macos: ## type-check and lint for both Apple targets, on Linux too
	@scripts/macos.sh

mac-run: ## run the Mac's own helper, command line and tests here; scripts/mac-run.sh -v tells more
	@scripts/mac-run.sh

app: ## dist/Portcullis.zip: the app for both Apple targets, ad-hoc signed
	@bundle/app.sh

clean: ## remove what was built
	rm -rf target dist
