# The data lake. Which datasets a layer has is said here for people and policies; a test compares it with the dictionary.
locals {
  layers = {
    bronze = ["nutrition", "weight", "fiber"]
    silver = ["weekly_features", "subject_trajectories", "modeling_dataset"]
    gold   = ["models", "reports", "figures"]
  }
}

module "bucket" {
  source = "../bucket"

  name            = "${var.prefix}-potato-data-lake-"
  kms_key_arn     = var.kms_key_arn
  log_bucket      = { name = var.log_bucket }
  noncurrent_days = var.noncurrent_days
  force_destroy   = var.force_destroy

  transitions = {
    "bronze/" = [{ days = 30, class = "STANDARD_IA" }, { days = 90, class = var.bronze_archive_class }]
  }
}
