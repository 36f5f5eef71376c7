"""The cardtrail.toml that ``cardtrail init`` writes. A test loads it, so it cannot go stale."""

STARTER = """\
# What cardtrail scans and how. Every key is optional; `cardtrail schema --config` prints them all.
# Paths count from the folder of this file. Secrets never stand here: S3 credentials come from the
# ordinary AWS chain, the fingerprint key from a file of its own.

profile = "card"          # card numbers; "full" looks for personal data and secrets as well
# regions = ["us", "gb"]  # whose national ids and phone numbers "full" looks for; all if not given
# names = true            # with "full": people and places in documents; needs cardtrail[names]
# recognisers = "own.yaml"  # patterns of your own, in Presidio's YAML: docs/personal-data.md
fail_on = "high"          # exit 1 for findings at or above: critical, high, medium, low, info
# jobs = 4                # worker processes; the number of cores if not given
# min_confidence = 0.3    # probability from which on a finding is written; confirmed is 0.8
# window_days = 90        # how far back to ask who read it

# Out of scope, in gitignore syntax. What it hides is counted in the report. What is in scope
# and cannot be read (a picture, say) makes the exit status 3: say here what does not matter.
exclude = [
  ".git/",
  "node_modules/",
  # "*.png",
]

# A stable key makes fingerprints comparable from run to run (trend, baselines).
# Make one with: cardtrail key ~/.config/cardtrail/key
[key]
# file = "~/.config/cardtrail/key"

# One table a store.
[[store]]
uri = "."                       # a file or a folder
environment = "development"     # production, staging ...: card data in pre-production is worse
expected = false                # is this store meant to hold card data?
# owner = "payments team"
# exclude = ["tmp/"]

# [[store]]
# uri = "s3://my-bucket/prefix"
# environment = "production"
# region = "eu-central-1"
# endpoint = "https://s3.example.com"   # for S3-compatible servers
# patience = 120                        # seconds to wait for an endpoint that went away
# identities = "auth.json"              # aws iam get-account-authorization-details, saved, where
#                                       # the scan may not ask the account who could read

# [[store]]
# uri = "sqlite:///var/payments.db"

# [[store]]
# uri = "postgresql://scanner@db.example/shop"   # or mysql://; see docs/databases.md
# password_file = "/etc/cardtrail/shop"          # or PGPASSWORD, ~/.pgpass, ~/.my.cnf ...

# Records of who read what. Without any, the answer is "cannot tell".
# [[evidence]]
# kind = "cloudtrail"           # also: s3-access-logs, pgaudit, server-audit, pattern
# uri = "s3://my-trail-bucket/AWSLogs/"
"""
