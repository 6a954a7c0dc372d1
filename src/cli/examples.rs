//! The text after each command's options in its help: examples and exit codes.

pub(super) const AFTER_HELP: &str = "\
Exit codes:
  0    every device of the manifest has its channel
  1    the run was stopped or could not continue; the same command resumes it
  2    nothing was attempted: change the command, the files, the configuration or the credentials
  3    the run is complete, but some devices are failed, invalid or deleted
  130  interrupted (SIGINT); the same command resumes it
  143  terminated (SIGTERM); the same command resumes it

Every flag can be set in the environment: --max-attempts as KVS_FLEET_MAX_ATTEMPTS, and so on. What the \
command line says wins.";

pub(super) const PROVISION_EXAMPLES: &str = "\
Examples:
  Rehearse a batch without AWS; the rehearsal's channels stay in devices.emulator.state.json:
      kvs-fleet provision devices.csv --emulator
  Rehearse it with a lower quota, and with one answer in fifty lost:
      kvs-fleet provision devices.csv --emulator --emulator-rate 20 --emulator-fault reset-after=2%@create
  Give every device of the batch its channel, in the Region and account of a profile:
      kvs-fleet provision devices.csv --profile factory --region eu-central-1
  Name and tag the channels from the manifest's columns:
      kvs-fleet provision devices.csv --channel-name 'cam-{device_id}' \\
          --tag 'Line={line}' --tag Environment=Development
  Guard against the wrong file and the wrong account:
      kvs-fleet provision devices.csv --expect 1000 --id-pattern 'CAM-\\d{6}' --account 123456789012

Every flag can be set in the environment: --max-attempts as KVS_FLEET_MAX_ATTEMPTS, and so on. What the \
command line says wins. KVS_FLEET_TAG takes several tags, separated by commas.";

pub(super) const PLAN_EXAMPLES: &str = "\
Examples:
  What would this batch do, and how long would it take?
      kvs-fleet plan devices.csv --region eu-central-1
  Which account is it, and which of the channels exist already?
      kvs-fleet plan devices.csv --profile factory --online
  For a script:
      kvs-fleet plan devices.csv --region eu-central-1 --json | jq .to_create

Exit codes:
  0  every row is valid
  1  the service could not be asked (--online)
  2  a run would refuse to start; the message says why
  3  some rows are invalid

Every flag can be set in the environment: --online as KVS_FLEET_ONLINE, and so on.";

pub(super) const VERIFY_EXAMPLES: &str = "\
Examples:
  Is everything that the results claim still so?
      kvs-fleet verify devices.results.csv --profile factory
  Are the channels of a rehearsal still there?
      kvs-fleet verify devices.emulator.results.csv --emulator
  TTLs and tags as well, and the proof as a file:
      kvs-fleet verify devices.results.csv --manifest devices.csv --tags --json > proof.json

Exit codes:
  0    the service agrees
  1    the service could not be asked
  2    nothing was asked: change the command, the file or the credentials
  3    something differs, or could not be verified
  130  interrupted (SIGINT)
  143  terminated (SIGTERM)

Every flag can be set in the environment: --manifest as KVS_FLEET_MANIFEST, and so on.";

pub(super) const MERGE_EXAMPLES: &str = "\
Examples:
  The shards of a batch, and whether a device is missing:
      kvs-fleet merge devices.*-of-16.results.csv --output devices.results.csv --manifest devices.csv
  Two hosts that worked on one list, in the order of device IDs:
      kvs-fleet merge host1.results.csv host2.results.csv --output all.results.csv

Exit codes:
  0  every device of the manifest, or of the files, has its channel
  1  devices of the manifest have no row, or the output could not be written
  2  nothing was written: change the command or the files
  3  the output is complete, but some devices are failed, invalid or deleted

Every flag can be set in the environment: --manifest as KVS_FLEET_MANIFEST, and so on.";

pub(super) const EMULATOR_EXAMPLES: &str = "\
Examples:
  Serve on a free port and rehearse against it:
      kvs-fleet emulator --listen 127.0.0.1:0
      kvs-fleet provision devices.csv --endpoint-url http://127.0.0.1:PORT
  Keep the channels for the next time:
      kvs-fleet emulator --state factory.emulator.state.json
  Lose one answer in fifty after the channel was made, and answer 503 three times:
      kvs-fleet emulator --fault reset-after=2%@create --fault 503=first:3

Every flag can be set in the environment, for example --listen as KVS_FLEET_LISTEN. KVS_FLEET_RATE is \
provision's --rate as well. KVS_FLEET_FAULT takes several faults, separated by commas.";

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  bash, for this user:
      kvs-fleet completions bash > ~/.local/share/bash-completion/completions/kvs-fleet
  zsh, into a folder that is in fpath:
      kvs-fleet completions zsh > ~/.zfunc/_kvs-fleet
  fish:
      kvs-fleet completions fish > ~/.config/fish/completions/kvs-fleet.fish
  PowerShell, in the profile:
      kvs-fleet completions powershell | Out-String | Invoke-Expression";

pub(super) const MAN_EXAMPLES: &str = "\
Examples:
  Read the page about provision:
      kvs-fleet man provision | man -l -
  Install the pages:
      kvs-fleet man > /usr/local/share/man/man1/kvs-fleet.1
      kvs-fleet man provision > /usr/local/share/man/man1/kvs-fleet-provision.1";

pub(super) const ROLLBACK_EXAMPLES: &str = "\
Examples:
  What would be deleted? Sends no request:
      kvs-fleet rollback devices.results.csv --dry-run
  Delete what a wrong batch created, after typing the number of channels:
      kvs-fleet rollback devices.results.csv --profile factory
  Two devices, from a script:
      kvs-fleet rollback devices.results.csv --device CAM-0001 --device CAM-0002 --yes
  What was created in the last two hours:
      kvs-fleet rollback devices.results.csv --since 2h
  The end of a rehearsal:
      kvs-fleet rollback devices.emulator.results.csv --emulator --yes

Exit codes:
  0    every channel that was asked for is deleted
  1    it was stopped or could not continue; the same command resumes it
  2    nothing was deleted: change the command, the file or the credentials
  3    some channels are left; their rows say why
  130  interrupted (SIGINT); the same command resumes it
  143  terminated (SIGTERM); the same command resumes it

Every flag can be set in the environment: --since as KVS_FLEET_SINCE, and so on.";

pub(super) const REPORT_EXAMPLES: &str = "\
Examples:
  Summarize a batch:
      kvs-fleet report devices.results.csv
  A page with charts:
      kvs-fleet report devices.results.csv --html report.html
  The rows without a channel, as a manifest to correct and provision:
      kvs-fleet report devices.results.csv --failed corrected.csv --manifest devices.csv

Exit codes:
  0  the report was written, whatever it contains
  1  it could not be written
  2  the file is not a results file, or a flag is wrong

Every flag can be set in the environment: --html as KVS_FLEET_HTML, and so on.";
