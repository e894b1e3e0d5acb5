output "roles" {
  description = "The ARN of each role."
  value       = { plan = module.plan.arn, apply = module.apply.arn, pipeline = module.pipeline.arn }
}

output "trust" {
  description = "Who may take each role, as JSON."
  value       = { plan = module.plan.trust, apply = module.apply.trust, pipeline = module.pipeline.trust }
}

output "boundary_arn" {
  description = "The most that a role of this project may do."
  value       = aws_iam_policy.boundary.arn
}
