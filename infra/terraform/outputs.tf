output "lake_bucket" {
  description = "The data lake."
  value       = module.lake.bucket
}

output "lake_locations" {
  description = "Where each dataset lies in the lake, by layer and name."
  value       = module.lake.locations
}

output "mlflow_bucket" {
  description = "MLflow's artifacts, below experiments/ and models/."
  value       = module.mlflow.bucket
}

output "mlflow_table" {
  description = "MLflow's table."
  value       = module.mlflow.table
}

output "log_group" {
  description = "Where the pipeline logs."
  value       = module.observability.log_group
}

output "alarm_topics" {
  description = "Where alarms go, by region."
  value = merge(
    { (var.region) = module.observability.topic_arn },
    var.replication ? { (var.backup_region) = module.replica[0].topic_arn } : {},
  )
}

output "role_arns" {
  description = "The roles that workflows take."
  value       = module.identity.roles
}

output "role_trust" {
  description = "Who may take each role, as JSON."
  value       = module.identity.trust
}

output "replica_buckets" {
  description = "The copies in the second region; empty without replication."
  value       = var.replication ? module.replica[0].buckets : {}
}

output "mlflow_table_replica" {
  description = "The region in which the table has a replica of the same name; null without replication."
  value       = module.mlflow.replica_region
}

output "image" {
  description = "Where the pipeline's image is pushed to; null without compute."
  value       = var.compute ? module.compute[0].image : null
}

output "job" {
  description = "Queue and definition of a run on Batch; null without compute."
  value       = var.compute ? { queue = module.compute[0].job_queue, definition = module.compute[0].job_definition } : null
}

output "environment" {
  description = "What the pipeline is told so that its data, runs and log lines go to what was made."
  value       = local.environment
}

# None of these is a key: an ARN lets nobody in. They are secrets in GitHub only so that logs don't show the account.
output "github_commands" {
  description = "What to type so that the workflows know what was made."
  value = join("\n", concat(
    [for name, value in { AWS_ROLE_ARN = module.identity.roles.pipeline, AWS_PLAN_ROLE_ARN = module.identity.roles.plan } :
    "gh secret set ${name} --body ${value}"],
    ["gh secret set AWS_APPLY_ROLE_ARN --env ${var.github_environment} --body ${module.identity.roles.apply}"],
    [for name, value in {
      AWS_REGION    = var.region
      LAKE_BUCKET   = module.lake.bucket
      MLFLOW_BUCKET = module.mlflow.bucket
      MLFLOW_TABLE  = module.mlflow.table
      LOG_GROUP     = module.observability.log_group
    } : "gh variable set ${name} --body ${value}"],
  ))
}
