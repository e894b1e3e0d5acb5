output "image" {
  description = "Where the pipeline's image is pushed to, without its tag."
  value       = aws_ecr_repository.pipeline.repository_url
}

output "job_queue" {
  description = "The queue that jobs are submitted to."
  value       = aws_batch_job_queue.pipeline.name
}

output "job_definition" {
  description = "The definition of a run."
  value       = aws_batch_job_definition.pipeline.name
}
