//! How root is reached: the administrator prompt, and the code-signature check before it.
