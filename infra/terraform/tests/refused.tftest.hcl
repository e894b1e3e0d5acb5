# Values that must not get through. Each is expected to fail by itself.
mock_provider "aws" {
  source = "./tests/mocks"
}

mock_provider "aws" {
  alias  = "backup"
  source = "./tests/mocks"
}

variables {
  github_repository    = "someone/potato"
  github_owner_id      = "11"
  github_repository_id = "22"
}

run "wildcards_in_what_makes_a_subject" {
  command = plan

  variables {
    github_repository    = "someone/*"
    github_owner_id      = "*"
    github_repository_id = "?"
    github_environment   = "prod*"
  }

  expect_failures = [var.github_repository, var.github_owner_id, var.github_repository_id, var.github_environment]
}

run "values_that_aws_would_only_refuse_halfway_through" {
  command = plan

  variables {
    prefix               = "a-prefix-that-is-too-long"
    backup_region        = "us-east-1"
    account_id           = "12"
    noncurrent_days      = 1
    log_retention_days   = 12
    bronze_archive_class = "DEEP_ARCHIVE"
    archive_class        = "STANDARD"
    stale_after_days     = 8
    vpc_cidr             = "10.0.0.0/28"
    image_tag            = "latest"
    alarm_email          = "nobody"
  }

  expect_failures = [
    var.prefix, var.backup_region, var.account_id, var.noncurrent_days, var.log_retention_days, var.bronze_archive_class,
    var.archive_class, var.stale_after_days, var.vpc_cidr, var.image_tag, var.alarm_email,
  ]
}
