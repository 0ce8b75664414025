//! How long an answer may be. The libraries read the whole of one into memory before they look at it; one without end, of a proxy
//! or of somebody who pretends to be the service, would take the cockpit down with it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::{Buf as _, Bytes};
use hyper::body::{Body, Frame, SizeHint};

/// Longest answer of AWS in bytes. The longest that the cockpit asks for, a page of log lines, is 1 MiB by the service's own limit.
const OF_AWS: usize = 16 << 20;

/// Breaks off answers of AWS that are too long.
#[derive(Debug)]
pub(crate) struct LongestAnswer;

impl Intercept for LongestAnswer {
    fn name(&self) -> &'static str {
        "longest answer"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        let answer = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(answer, OF_AWS));
        Ok(())
    }
}

/// An answer of which no more than so much is taken.
pub(crate) struct Limited<B> {
    answer: Pin<Box<B>>,
    longest: usize,
    left: usize,
}

impl<B> Limited<B> {
    /// An answer that may be so many bytes long.
    pub fn new(answer: B, longest: usize) -> Self {
        Self { answer: Box::pin(answer), longest, left: longest }
    }
}

impl<B> Body for Limited<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = match ready!(self.answer.as_mut().poll_frame(context)) {
            Some(Ok(frame)) => frame,
            other => return Poll::Ready(other.map(|frame| frame.map_err(Into::into))),
        };
        let length = frame.data_ref().map_or(0, |data| data.remaining());
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                let words = format!("the answer is longer than {} MiB and was broken off", self.longest >> 20);
                Poll::Ready(Some(Err(words.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}
