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

run "the_table_can_be_set_back_to_any_second_and_has_no_copy_unless_one_is_asked_for" {
  module {
    source = "./modules/mlflow"
  }

  variables {
    prefix          = "cdp-dev"
    kms_key_arn     = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    log_bucket      = "cdp-dev-access-logs-1"
    noncurrent_days = 90
    protect         = true
  }

  assert {
    condition     = aws_dynamodb_table.backend.point_in_time_recovery[0].enabled && aws_dynamodb_table.backend.deletion_protection_enabled
    error_message = "what is deleted by mistake is gone"
  }

  assert {
    condition     = length(aws_dynamodb_table.backend.replica) == 0 && output.replica_region == null
    error_message = "there is a copy although nobody asked for one"
  }
}

run "a_copy_of_the_table_can_be_set_back_too" {
  command = plan

  module {
    source = "./modules/mlflow"
  }

  variables {
    prefix          = "cdp-dev"
    kms_key_arn     = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    log_bucket      = "cdp-dev-access-logs-1"
    noncurrent_days = 90
    protect         = true
    replica = {
      region      = "us-west-2"
      kms_key_arn = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000001"
    }
  }

  assert {
    condition = (
      one(aws_dynamodb_table.backend.replica).region_name == output.replica_region
      && one(aws_dynamodb_table.backend.replica).kms_key_arn == var.replica.kms_key_arn
      && one(aws_dynamodb_table.backend.replica).point_in_time_recovery
    )
    error_message = "the copy is elsewhere, under another key, or can't be set back"
  }

  assert {
    condition     = aws_dynamodb_table.backend.stream_enabled && aws_dynamodb_table.backend.stream_view_type == "NEW_AND_OLD_IMAGES"
    error_message = "nothing would feed the copy"
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
