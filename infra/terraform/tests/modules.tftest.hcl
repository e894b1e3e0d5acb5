mock_provider "aws" {
  source = "./tests/mocks"
}

run "a_bucket_is_private_encrypted_versioned_and_reached_over_tls_1_2_only" {
  module {
    source = "./modules/bucket"
  }

  variables {
    name            = "cdp-dev-potato-data-lake-"
    kms_key_arn     = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    log_bucket      = { name = "cdp-dev-access-logs-1" }
    noncurrent_days = 90
    force_destroy   = false
    transitions     = { "bronze/" = [{ days = 30, class = "STANDARD_IA" }, { days = 90, class = "GLACIER" }] }
  }

  assert {
    condition     = aws_s3_bucket.this.bucket_prefix == "cdp-dev-potato-data-lake-"
    error_message = "another name"
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls, aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls, aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "public access is possible"
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "aws:kms"
    error_message = "not encrypted with the key"
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "no versions"
  }

  assert {
    condition = { for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement : statement.Sid => [statement.Effect, statement.Action, statement.Condition] } == {
      OnlyEncryptedConnections = ["Deny", "s3:*", { Bool = { "aws:SecureTransport" = "false" } }]
      OnlyTls12AndNewer        = ["Deny", "s3:*", { NumericLessThan = { "s3:TlsVersion" = "1.2" } }]
    }
    error_message = aws_s3_bucket_policy.this.policy
  }

  assert {
    condition     = [for step in one([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule if rule.id == "bronze"]).transition : "${step.days} ${step.storage_class}"] == ["30 STANDARD_IA", "90 GLACIER"]
    error_message = "bronze goes elsewhere"
  }
}

run "a_wildcard_in_a_subject_is_refused" {
  command = plan

  module {
    source = "./modules/role"
  }

  variables {
    name         = "cdp-dev-plan"
    description  = "test"
    provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    policy       = "{}"
    claims       = { repository_id = "22" }
    subjects     = ["repo:someone/potato:ref:refs/heads/main", "repo:someone/potato:*"]
  }

  expect_failures = [var.subjects]
}

run "a_wildcard_in_an_owner_is_refused" {
  command = plan

  module {
    source = "./modules/role"
  }

  variables {
    name         = "cdp-dev-plan"
    description  = "test"
    provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    policy       = "{}"
    claims       = { repository_id = "22" }
    subjects     = ["repo:some?ne/potato:pull_request"]
  }

  expect_failures = [var.subjects]
}

run "a_role_that_does_not_ask_for_one_repository_or_has_a_wildcard_in_a_claim_is_refused" {
  command = plan

  module {
    source = "./modules/role"
  }

  variables {
    name         = "cdp-dev-plan"
    description  = "test"
    provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    policy       = "{}"
    claims       = { ref = "refs/heads/*" }
    subjects     = ["repo:someone/potato:pull_request"]
  }

  expect_failures = [var.claims]
}
